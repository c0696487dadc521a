"""Pictures: light, materials, sky, and the curve to sRGB."""
