"""Pages and pictures of a clip. Takes scene types only; never imports a network."""
