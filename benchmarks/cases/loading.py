"""Reading data: an epoch of images, prepared by worker processes that stay."""

from benchmarks.case import add


def epoch_of_images(xp, side, count=256):
    import numpy

    images = numpy.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=numpy.uint8)

    class Images(xp.utils.data.Dataset):
        def __len__(self):
            return count

        def __getitem__(self, index):
            image = xp.from_numpy(images[index]).permute(2, 0, 1).to(xp.float32) / 255
            return (image - 0.5) / 0.25, index % 10

    loader = xp.utils.data.DataLoader(Images(), 32, num_workers=2, persistent_workers=True)

    def epoch():
        total = 0.0
        for batch, _ in loader:
            total += batch[0, 0, 0, 0].item()
        return total

    return epoch


for side, shown in ((96, "96x96"), (224, "224x224")):
    add(f"DataLoader, 2 workers, 256 images {shown}", epoch_of_images, group="loading", bar=0.83, quick=side == 96,
        options={"side": side})
