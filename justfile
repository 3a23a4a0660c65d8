# What there is to do here. `just` lists it.

default:
    @just --list

# Simulator, service, a real run, and what happened.
demo:
    cargo run --release -- demo

# Simulator and service on fixed ports, to play with.
dev *ARGS:
    cargo run -- dev {{ARGS}}

# Everything that must pass before a commit.
test:
    scripts/test

# Formats, lints, audits, tests.
check: fmt lint deny test

fmt:
    cargo fmt --all

lint:
    cargo clippy --workspace --all-targets --features closure-machine/mutants -- -D warnings
    cargo clippy -p closeout-tests --test sqs -- -D warnings

# So many stories of the driver in virtual time: faults everywhere, three replicas, told again by a seed.
stories SEEDS="10000":
    SIMULATION_SEEDS={{SEEDS}} cargo test -p simulation --test stories -- in_no_story --nocapture

# Genuine deliveries, so many of them changed at random: none may be taken.
attack DELIVERIES="1000000":
    MUTATED_DELIVERIES={{DELIVERIES}} cargo test -p webhook-receiver --test mutations -- --nocapture

# Every door that takes strangers' bytes, fuzzed for so many seconds (needs g++).
fuzz SECONDS="300" *DOOR:
    fuzz/run {{SECONDS}} {{DOOR}}

# Whether the time of a verification tells how much of a forged tag is right: |t| below 4.5 says it does not.
timing SAMPLES="300000":
    cargo run --release -p webhook-signature --example timing {{SAMPLES}}

# Evidence by EventBridge and Amazon SQS, against a double of both; a name picks one test.
sqs *ARGS:
    tests/sqs/run {{ARGS}}

# The service's clock, set an hour and a day forward and back.
clocks *ARGS:
    tests/clocks/run {{ARGS}}

# Instructions that work of a known size takes, against those that were written down; --record writes them down.
instructions *ARGS:
    tests/instructions/run {{ARGS}}

# So many requests made up from /openapi.json, each answer held against it; events and examples against their schemas.
contracts CASES="2000":
    CLOSEOUT_CONTRACT_CASES={{CASES}} tests/contracts/run

# Records the examples of /openapi.json anew from a running service.
record-examples:
    tests/contracts/run --record-examples

# An older version, built from a revision, and this one on one PostgreSQL.
side-by-side REVISION:
    tests/postgres/older {{REVISION}}

# The console in a browser: every page and act.
console:
    tests/console/run

# Dockerfile, Compose file, chart, unit, package and alerts: linted, rendered, and read by the program.
deploy:
    tests/deploy/run

# Advisories, bans, licences, sources (needs cargo-deny; the advisories need the network).
deny *WHAT:
    cargo deny check {{WHAT}}

# Rewrites docs/transitions.md from the machine.
transitions:
    UPDATE=1 cargo test -p closure-machine --test machine transitions

# Every figure of the README, on this machine, in six minutes once the program is built as it is shipped, which takes half an hour.
figures *ARGS:
    deploy/build
    cargo build --locked --profile dist -p closeout-bench
    target/dist/closeout-bench run {{ARGS}}

# Every figure of docs/performance.md, on this machine, in one or two hours, building and all.
bench *FOLDER:
    bench/all {{FOLDER}}
