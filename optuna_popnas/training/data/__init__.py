"""What networks are trained on: data sets, folders of images, arrays."""
