"""Where each class of tensors lives and what is streamed: a program with a bound, every plan run by the task engine."""
