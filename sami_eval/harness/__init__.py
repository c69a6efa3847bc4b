"""What `tasks/*.yaml` name for lm-eval: the tasks, our model class, and where it finds them.

Layer 6: imports all below; lm-eval and the command line import it.
"""
