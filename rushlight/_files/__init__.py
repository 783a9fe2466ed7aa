"""What files of every kind are made of: writing at once and whole, zips, errors."""
