"""Machine speech made with engines that anyone may install: more families of synthesisers for the training data."""
