# Writes OUT, a C file with STUB (comments left out) and PROGRAM (gzip, Base64) as strings.
cmake_minimum_required(VERSION 3.25)

function(append_string name hex size)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "(................................................................................)"
		"\\1\n\t" bytes "${bytes}")
	file(APPEND ${OUT}.new
		"\nconst char ${name}[] = {\n\t${bytes}0x00,\n};\nconst size_t ${name}_size = ${size};\n")
endfunction()

file(WRITE ${OUT}.new "/* Made from the files in worker/guest; do not edit. */\n"
	"#include \"worker/guest/guest.h\"\n")

execute_process(COMMAND grep -v "^[[:blank:]]*#[^!]" ${STUB}
	OUTPUT_FILE ${OUT}.stub COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${OUT}.stub size)
if(size GREATER 1024)
	message(FATAL_ERROR "the customization stub has ${size} bytes, 1024 are allowed")
endif()
file(READ ${OUT}.stub hex HEX)
append_string(guest_stub "${hex}" ${size})

# No name and no time in the gzip header: equal sources give equal programs.
execute_process(COMMAND gzip -9nc ${PROGRAM} COMMAND base64 -w0
	OUTPUT_FILE ${OUT}.program COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${OUT}.program size)
file(READ ${OUT}.program hex HEX)
append_string(guest_program "${hex}" ${size})

file(RENAME ${OUT}.new ${OUT})
