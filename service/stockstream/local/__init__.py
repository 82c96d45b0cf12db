"""The whole pipeline on one machine: an embedded AWS emulator, the real service, the real handler."""
