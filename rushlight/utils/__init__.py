"""Tools around tensors and networks: data, and what else PyTorch keeps under `utils`."""
