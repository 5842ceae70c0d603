"""The daemon under one configuration: its parts, and how they are tied together. A new configuration gets new parts;
what was learnt, and what was spent, goes on."""

import logging
import random

import msgspec
import trio

from probe.agent.daemon_board import AGENT, NAME, Board
from probe.agent.daemon_keeper import Keeper
from probe.agent.daemon_lasting import Lasting
from probe.agent.daemon_memory import tidy_up
from probe.agent.daemon_ready import Ready
from probe.agent.daemon_retests import Retests
from probe.agent.exporter.exporter import Exporter, listening
from probe.agent.identity import Attached, Identity
from probe.agent.leases import Leases
from probe.agent.rounds import Rounds, Subject
from probe.agent.rounds_play import Tools
from probe.agent.schedule import Plan, Planner, Rhythm
from probe.agent.state import AgentState, BudgetState
from probe.agent.uplink import Uplink
from probe.agent.watch import Disturbance, Watch
from probe.catalogue.model import Catalogue
from probe.measure.context import Context
from probe.measure.endpoint import Judged
from probe.measure.prepare import Wishes
from probe.wire.reports import Checkin, Retest
from probe.wire.verdicts import Tally

_MOST_WISHES = 64
_CLOCK_OFF = 30.0  # seconds worth telling
_log = logging.getLogger("probe.agent")


class Parts:
    """`run` them until they are cancelled."""

    def __init__(self, ready: Ready, lasting: Lasting) -> None:
        config, clock = ready.config, lasting.clock
        self._ready, self._config, self._lasting, self._clock = ready, config, lasting, clock
        self._attached = Attached()
        self._leases = Leases(clock, self._attached, ready.documents.lease, proxied=ready.client.proxied)
        self._identity = Identity(clock, self._leases, self._attached, ready.geo, ask_strangers=config.ask_strangers)
        wishes, wanted = trio.open_memory_channel[Retest](_MOST_WISHES)
        self._uplink = Uplink(
            lasting.spool,
            ready.client,
            clock,
            AGENT,
            self._leases,
            retests=wishes,
            network=lambda: self._identity.now().network,
            may_spend=lasting.budget.may_upload,
            checked_in=self._checked_in,
            limiter=lasting.spool_thread,
        )
        self._keeper = Keeper(
            lasting.spool,
            clock,
            lasting.spool_thread,
            lambda urgent: self._uplink.stir(urgent=urgent),
            wanted=ready.client.base is not None,
        )
        self._board = Board(clock, lasting.memory, self._facts)
        self._catalogue = ready.documents.catalogue()
        self._planner = self._planned_for(self._catalogue)
        self._rounds = Rounds(self._tools(), self._subject, self)
        self._retests = Retests(clock, wanted, lambda: self._planner, self._rounds.want)
        self._watch = Watch(clock, self._disturbed, self._attached)
        self._exporter = Exporter(
            self._catalogue,
            lambda: self._board.state(self._catalogue),
            lambda: self._rounds.context,
            clock,
            allow_targets=config.metrics.allow_targets,
            allow_hosts=config.metrics.allow_hosts,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        keep = self._lasting.supervisor.keep
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, "exporter", self._served)
            nursery.start_soon(keep, "the watch on sleep and networks", self._watch.run)
            nursery.start_soon(keep, "the spool's keeper", self._keeper.watch)
            nursery.start_soon(keep, "uplink", self._uplink.run)
            nursery.start_soon(keep, "re-tests", self._retests.run)
            nursery.start_soon(keep, "rounds", self._rounds.run)
            task_status.started()

    async def last_words(self) -> None:
        """What waits in memory, once more, before the end."""
        await self._keeper.flush()

    # --- what the rounds need ---

    def _tools(self) -> Tools:
        return Tools(
            clock=self._clock,
            budget=self._lasting.budget,
            identity=self._identity.now,
            still=self._identity.still,
            keep=self._keeper.keep,
            measured=self._measured,
            concluded=self._concluded,
            wording=self._lasting.wording,
        )

    async def _subject(self) -> Subject:
        catalogue = self._ready.documents.catalogue()
        if catalogue is not self._catalogue:
            self._catalogue = catalogue
            self._planner = self._planned_for(catalogue)
            self._exporter.use(catalogue)
        return Subject(self._planner, catalogue, self._ready.documents.library(), self._wishes())

    def _planned_for(self, catalogue: Catalogue) -> Planner:
        config, lasting = self._config, self._lasting
        rhythm = Rhythm(
            interval=config.interval,
            deep_every=config.deep_every,
            page_every=config.page_every,
            first_round=config.first_round,
        )
        planner = Planner(
            catalogue,
            memory=lasting.memory,
            costs=lasting.costs,
            budget=lasting.budget,
            rhythm=rhythm,
            chance=random.Random(),
            platforms=config.platforms,
        )
        lasting.memory.forget_all_but(planner.services)
        return planner

    def _wishes(self) -> Wishes:
        config = self._config
        return Wishes(
            "light",
            config.source,
            config.resolvers,
            config.ca_file,
            config.timeout,
            config.concurrency,
            f"{NAME}/{AGENT.version}",
        )

    # --- what they tell ---

    async def prepare(self, context: Context) -> None:
        await self._identity.look(context)

    async def remember(self, ahead: float) -> None:
        await self._lasting.remember(ahead)

    def planned(self, plan: Plan) -> None:
        self._board.planned(plan, len(self._planner.services))
        _log.info("round %d: %d endpoints in %.0f s", plan.number, len(plan.turns), plan.seconds)
        self._lasting.notifier.status(f"round {plan.number}: {len(plan.turns)} endpoints")

    def looked(self, void: str | None) -> None:
        if void is not None and self._board.round.void is None:
            _log.warning("this network is not fit to measure: %s", void)
        self._board.looked(void)

    def ended(self, plan: Plan, how: str, seconds: float, pause: float) -> None:
        tidy_up()
        self._board.ended(how, seconds, pause)
        if self._config.first_round:
            self._uplink.stir(urgent=True)  # somebody waits at the collector, too
        _log.info("round %d ended (%s) after %.0f s, the next one in %.0f s", plan.number, how, seconds, pause)

    def _measured(self, judged: Judged) -> None:
        self._board.measured()
        self._exporter.observe_measurement(judged.measurement, judged.verdict)

    def _concluded(self, tally: Tally) -> None:
        self._board.concluded(tally)

    def _disturbed(self, why: Disturbance) -> None:
        _log.info("a fresh round: %s", why)
        self._rounds.disturb(why)

    async def _checked_in(self, checkin: Checkin) -> None:
        changed = await self._ready.documents.refresh(self._ready.client, checkin)
        if changed:
            _log.info("new from the collector: %s", ", ".join(sorted(changed)))

    async def _served(self) -> None:
        listen, listeners = self._config.metrics.listen, self._ready.listeners
        if listen:
            self._ready.listeners = None
            await self._exporter.serve(listen, listeners if listeners is not None else await listening(listen))

    # --- what is shown ---

    def _facts(self) -> dict[str, object]:
        lasting, documents = self._lasting, self._ready.documents
        identified, budget = self._identity.now(), lasting.budget
        return {
            "role": self._ready.credentials.role if self._ready.credentials else self._config.role,
            "network": identified.network,
            "network_by": self._identity.by,
            "vpn": identified.vpn,
            "spool": self._keeper.state,
            "budget": BudgetState(limit=budget.limit, used=budget.used(), sent=budget.sent, received=budget.received),
            "uplink": self._uplink.state,
            "catalogue": documents.catalogue_state(),
            "expectations": documents.expectations_state(),
            "loop_lag": lasting.lag.worst,
            "restarts": dict(lasting.supervisor.restarts),
            "notes": tuple(self._notes()),
        }

    def _notes(self) -> list[str]:
        notes = []
        checkin, offset = self._uplink.last, self._uplink.state.clock_offset
        wanted = checkin.minimum_version if checkin is not None else None
        if wanted is not None and _version(wanted) > _version(AGENT.version):
            notes.append(f"the collector wants version {wanted} or newer: update this probe")
        if offset is not None and abs(offset) > _CLOCK_OFF:
            notes.append(f"this machine's clock is {abs(offset):.0f} s {'slow' if offset > 0 else 'fast'}: set it")
        if self._config.collectors and self._ready.credentials is None:
            notes.append("this probe is not enrolled, so nothing is uploaded: `probe setup --invitation URL`")
        if self._ready.documents.unagreed:
            notes.append("the catalogue names new contacts, left out until you agree to them: `probe setup`")
        return notes


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def shown(state: AgentState) -> bytes:
    return msgspec.json.encode(state)
