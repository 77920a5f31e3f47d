"""Magics: of the line, of the cell, and a question mark.
"""
# %% mean_square
%matplotlib inline
%time numbers = [1.0, 2.0]

def mean_square(values):
    if not values:
        raise ValueError("no values")
    return sum(value**2 for value in values) / len(values)

%timeit -n1 -r1 mean_square(numbers)
mean_square?

# %% unit_rows
%%time
def unit_rows(x):
    return x / x.norm(dim=1, keepdim=True)

# %% pairs
%%capture
def pairs(words):
    return list(zip(words, words[1:]))

print("captured")
