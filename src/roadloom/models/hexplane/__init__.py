"""4-D occupancy as six planes (DynamicCity, arXiv 2410.18084): autoencoder and transformer."""
