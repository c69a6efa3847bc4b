"""What builds the embedded world and its base, beside the package: nothing imports it at run time.

    python -m tools.world.make_base --out DIR --tokens 9000000 --seed 1
    python -m tools.world.measure

The package holds what run time needs of it: weights, prompts, principles and rules.
"""
