"""The ISP's own resolver, with what the recipes make it answer."""

from collections.abc import Iterable

from probe.lab.interference import Interference, ResolverAnswers, ResolverDuplicates, ResolverHabits, ResolverRewrites
from probe.lab.model import Answer, Isp, Resolver


def isp_resolver(isp: Isp, recipes: Iterable[Interference]) -> Resolver:
    answers: dict[str, Answer] = {}
    rewrite: tuple[str, ...] = ()
    duplicates, habits = False, ResolverHabits()
    for recipe in recipes:
        match recipe:
            case ResolverAnswers():
                answers |= dict.fromkeys(recipe.names, recipe.answer)
            case ResolverRewrites():
                rewrite = recipe.addresses
            case ResolverDuplicates():
                duplicates = True
            case ResolverHabits():
                habits = recipe
    return Resolver(
        addresses=(isp.resolver, *filter(None, [isp.resolver6])),
        answers=answers,
        rewrite=rewrite,
        duplicates=duplicates,
        delay=habits.delay,
        edns=habits.edns,
        ignores=habits.ignores,
        dns64=habits.dns64,
    )
