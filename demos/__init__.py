"""What makes people want it: a first script, a page for the browser, a stream to be watched from elsewhere."""
