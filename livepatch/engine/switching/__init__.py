"""One function and the code that its calls run on, changed while others call it."""
