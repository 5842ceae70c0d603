import click


@click.group()
def main() -> None: ...


from probe.cli.judge import judge
from probe.cli.measure import measure

main.add_command(measure)
main.add_command(judge)
