"""Looking inside: traces, cells, checked gradients, and the pages and commands made of them."""
