#!/bin/bash
# SPDX-License-Identifier: MIT
# Who may include whom: common <- config <- worker, no ways around inside worker, and one home per
# foreign header in each program.
set -euo pipefail
cd "$(dirname "$0")/../.."

status=0

# Every project include of the files must start with one of the allowed folders.
project() { # "FILES" ALLOWED_REGEX
	local files hits
	# shellcheck disable=SC2086 # several patterns, no blanks in our names
	files=$(git ls-files --cached --others --exclude-standard -- $1)
	[ -n "$files" ] || return 0
	# shellcheck disable=SC2086
	hits=$(grep -nE '^#include "' $files /dev/null | grep -vE "#include \"($2)" || true)
	[ -z "$hits" ] || {
		status=1
		printf '%s\n' "$hits" "   ^ only $2 here"
	}
}

# A foreign header may stand only in its home.
foreign() { # HEADER_REGEX HOME_REGEX
	local hits
	hits=$(git ls-files --cached --others --exclude-standard -- '*.c' '*.h' |
		xargs grep -nE "^#include <$1" /dev/null | grep -vE "^($2):" || true)
	[ -z "$hits" ] || {
		status=1
		printf '%s\n' "$hits" "   ^ its home is $2"
	}
}

project 'common/*.c common/*.h' 'common/'
project 'config/*.c config/*.h' 'common/|config/'
project 'worker/vcd/*.c worker/vcd/*.h' 'common/|config/|worker/vcd/'
project 'worker/plans/*.c worker/plans/*.h' 'common/|config/|worker/([a-z_]+\.h|(vcd|plans|guest)/)'
project 'worker/handlers/*.c worker/handlers/*.h' 'common/|config/|worker/([a-z_]+\.h|(vcd|handlers|guest)/)'
project 'worker/check/*.c worker/check/*.h' 'common/|config/|worker/([a-z_]+\.h|(vcd|check)/)'
project 'worker/guest/*.c worker/guest/*.h' 'common/|worker/guest/'
project ':(glob)worker/*.c :(glob)worker/*.h' 'common/|config/|worker/|[a-z_]+\.def'
project 'tests/vcdsim/*.c tests/vcdsim/*.h' 'common/|tests/vcdsim/'
project 'tests/bench/*.c tests/bench/*.h' 'common/|tests/bench/'

foreign 'curl/' 'common/http\.c'
foreign 'amqp' 'common/amqp[a-z_]*\.[ch]|tests/broker/raw\.c|tests/bench/[a-z_]+\.[ch]|tests/vcdsim/bridge\.c'
foreign 'yaml' 'common/yaml\.c'
foreign 'openssl/' 'common/(crypto|tls_look)\.c|tests/vcdsim/tls\.c|tests/unit/test_crypto\.c'
foreign 'libxml/' 'common/xml[a-z_]*\.c|tests/vcdsim/xsd\.c|tests/unit/vcd_schema\.h'
foreign 'microhttpd' 'worker/admin\.c|tests/vcdsim/(http|admin)\.c|tests/unit/test_http\.c|tests/bench/bench_vcd\.c'
exit $status
