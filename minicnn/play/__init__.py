"""`minicnn play MODEL`: a page on this machine that shows every number of the model while one draws on it.

page/  HTML, CSS and one script, no build step      browser
server.py    who may ask, and in what form          HTTP on 127.0.0.1
session.py   what the page shows of a model         model.trace, train_on_batch
frame.py     a drawing in the frame that the model was trained in
"""
