"""minicnn play: a drawing's frame, what the page shows of a model, who is answered, and the page in a browser."""
