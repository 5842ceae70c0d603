"""The ISP's own resolver, with what the recipes make it answer."""

from collections.abc import Iterable

from probe.lab.interference import Interference, ResolverAnswers, ResolverDuplicates, ResolverRewrites
from probe.lab.model import Answer, Isp, Resolver


def isp_resolver(isp: Isp, recipes: Iterable[Interference]) -> Resolver:
    answers: dict[str, Answer] = {}
    rewrite: tuple[str, ...] = ()
    duplicates = False
    for recipe in recipes:
        match recipe:
            case ResolverAnswers():
                answers |= dict.fromkeys(recipe.names, recipe.answer)
            case ResolverRewrites():
                rewrite = recipe.addresses
            case ResolverDuplicates():
                duplicates = True
    return Resolver(addresses=(isp.resolver,), answers=answers, rewrite=rewrite, duplicates=duplicates)
