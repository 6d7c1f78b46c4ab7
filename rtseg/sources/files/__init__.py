"""Contains the sources that read recordings: videos, images, DICOM, MetaImage, NRRD, NIfTI, and rtseg's own."""
