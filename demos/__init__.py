"""Show rtseg at work: a first script, a page in the browser, a stream viewed from another machine, checks of a GPU."""
