"""Names and text in other scripts, and emoji.
"""
# %% mean_square
Σ = sum
значения = "✓ 👍🏽 مرحبا"


def mean_square(värden):
    """Середнє квадратів — 平均二乗."""
    if not värden:
        raise ValueError("keine Werte: 値がない 🤷")
    print(значения)
    return Σ(ν**2 for ν in värden) / len(värden)
