/* SPDX-License-Identifier: MIT */
/* How each function of the VCD in memory begins and ends. Included by its files only. */
#ifndef TESTS_UNIT_FAKE_NOTE_H
#define TESTS_UNIT_FAKE_NOTE_H

#include "tests/unit/fake_vcd.h"

/* Notes one call of `requests` HTTP requests; true when it must fail. */
bool fake_note(const char *name, size_t requests, bool write, struct error *err);
/* Another delivery, of whoever's test it is, at this very moment. */
void fake_meet(bool after);

#define READ(name, requests)                                                                       \
	do {                                                                                       \
		if (fake_note(name, requests, false, err))                                         \
			return -1;                                                                 \
	} while (0)
/* A write may fail before or after its effect. */
#define WRITE(name, requests)                                                                      \
	bool was_dead_ = fake.dead;                                                                \
	bool failed_ = fake_note(name, requests, true, err);                                       \
	if (failed_ && (was_dead_ || !fake.fail_after))                                            \
	return -1
#define WRITTEN                                                                                    \
	do {                                                                                       \
		fake_meet(true);                                                                   \
		return failed_ ? -1 : 0;                                                           \
	} while (0)

#endif
