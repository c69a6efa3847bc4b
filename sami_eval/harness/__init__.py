"""What `tasks/*.yaml` name for lm-eval: the tasks, our model class, and where it finds them."""
