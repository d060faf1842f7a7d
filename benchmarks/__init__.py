"""The benchmarks of `./panda bench`; `docs/benchmarks.md` says what each figure means."""
