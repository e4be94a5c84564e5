# Thin on purpose: each target is a script under tests/ that says what it does and installs.
.PHONY: demo demo-cassandra test torture fuzz bench stop help

help:
	@echo 'make demo            set up, start a PostgreSQL, load a month of flights, show the result'
	@echo 'make demo-cassandra  set up, start a Cassandra and a PostgreSQL, migrate a table, show each step'
	@echo 'make test            set up and run every test'
	@echo 'make torture         kill loads a thousand times, and compare what they leave'
	@echo 'make fuzz            make up inputs for hours, and compare what is read with second opinions'
	@echo 'make bench           measure what docs/performance.md quotes'
	@echo 'make stop            stop the servers that demos and test started'

demo:
	@tests/demo.sh

demo-cassandra:
	@tests/demo-cassandra.sh

test:
	@tests/test.sh

torture:
	@tests/torture.sh

fuzz:
	@tests/fuzz.sh $${ETL_FUZZ_SECONDS:-3600}

bench:
	@tests/bench.sh

stop:
	@tests/postgres.sh stop demo
	@tests/postgres.sh stop test
	@tests/postgres.sh stop test-11
	@tests/postgres.sh stop test-18
	@tests/postgres.sh stop torture
	@tests/cassandra.sh sweep
	@tests/cassandra.sh stop demo
	@tests/cassandra.sh stop test
	@tests/cassandra.sh stop torture
