"""A laboratory's own things, one file each."""
