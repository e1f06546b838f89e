/* SPDX-License-Identifier: MIT */
/* Rules between keys: each value may be in range and the whole still impossible. Inside config/
 * only. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/config.h"

/* INVALID "<where>: <key> is <value>, expected ..." for the first broken rule. */
int config_check(const struct config *config, struct error *err) MUST_CHECK;

/* Where the value of that key came from: "file:line:column", a variable's name, or "default". */
const char *config_origin(const struct config *config, const char *path);

#endif
