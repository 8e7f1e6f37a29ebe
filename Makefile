# What people type. The build itself is meson's; this only names the usual things.
BUILD ?= build
PREFIX ?= /usr/local
# Servers and network tools are in sbin, which not everybody's PATH has.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.PHONY: help build deps test demo compare measure-smoke guest-nodes fuzz install uninstall clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

build: ## the command at build/baton
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) --prefix $(PREFIX)
	@ninja -C $(BUILD)

deps: ## install what building and testing need (root; Debian 12, Ubuntu 24.04)
	@scripts/deps

test: deps ## everything: unit, BPF, cluster, fault (root)
	@tests/run

demo: deps build ## a cluster of four stock nginx nodes, driven by a real trace (root)
	@$(BUILD)/baton lab demo

compare: deps build ## Baton beside its peers, as ratios (root; takes minutes)
	@$(BUILD)/baton compare

measure-smoke: build ## real guests measured, small (root; builds an image, takes minutes)
	@scripts/deps measure
	@$(BUILD)/baton measure run share/measure/smoke.yaml -o measure-smoke

guest-nodes: build ## two nodes in machines of QEMU serve through Baton (root; takes minutes)
	@scripts/deps measure
	@$(BUILD)/baton measure image
	@BATON=$(BUILD)/baton scripts/guest-nodes

fuzz: deps ## the fuzzers, for as long as FUZZ_SECONDS says (60 each)
	@fuzz/run $${FUZZ_SECONDS:-60}

install: build ## to PREFIX (/usr/local): command, man pages, completion, units
	@meson install -C $(BUILD) --no-rebuild

uninstall: ## takes away what install put there
	@ninja -C $(BUILD) uninstall >/dev/null
	@rm -f $(DESTDIR)$(PREFIX)/share/man/man1/baton.1 $(DESTDIR)$(PREFIX)/share/man/man1/baton-*.1

clean: ## the build folders
	@rm -rf build build-test
