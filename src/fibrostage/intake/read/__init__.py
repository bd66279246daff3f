"""One file → its pictures, whatever its format."""
