"""Demos: a first script, a page in the browser, a stream that is viewed from another machine, checks of a GPU."""
