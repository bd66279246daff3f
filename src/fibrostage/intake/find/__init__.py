"""What a screen shows: boxes, tissue, colour bars, stiffness, quality. Arrays in, numbers out."""
