/* SPDX-License-Identifier: MIT */
#include "common/clock.h"
#include "common/tls_look.h"
#include "worker/check/row.h"

enum { RENEW_DAYS = 30 };
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static bool judge(struct check *check, const char *address, const struct tls_look *look,
	enum check_result worst)
{
	enum check_result result = CHECK_OK;
	const char *remedy = "";
	char end[CLOCK_ISO_SIZE];

	clock_iso(end, look->ends_ms);
	if (look->problem) {
		check_add(check, worst, address,
			"give the CA that signed it as ca_file, or the host a certificate for "
			"this name",
			"the certificate is not trusted: %s (%s, ends %.10s)", look->problem,
			look->subject, end);
		return false;
	}
	if (look->ends_ms - clock_wall_ms() < RENEW_DAYS * DAY_MS) {
		result = CHECK_WARN;
		remedy = "renew it: when it has ended, nothing connects";
	}
	check_add(check, result, address, remedy, "%s, verified; %s ends %.10s", look->protocol,
		look->ends, end);
	return true;
}

bool check_certificate(
	struct check *check, const char *address, const char *ca_file, enum check_result worst)
{
	struct tls_look look;
	struct error err;

	if (tls_look(&look, &check->arena, address, ca_file, check_left_ms(check), &err) == 0)
		return judge(check, address, &look, worst);
	check_add(check, worst, address,
		err.code == ERR_INVALID ? "mend ca_file"
					: "check host and port, and that nothing filters them",
		"%s", err.msg);
	return false;
}
