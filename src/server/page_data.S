// The page's files as bytes. An assembler file of its own rather than asm() in page_files.cc: link-time optimisation
// does not look into it, so it cannot lose the names. cmake/web.cmake says where the files are.

    .section .rodata

.macro page_file name, file
    .global cairn_page_\name\()_begin
    .global cairn_page_\name\()_end
    .balign 16
cairn_page_\name\()_begin:
    .incbin "\file"
cairn_page_\name\()_end:
    .byte 0
.endm

    page_file index, "index.html.gz"
    page_file script, "app.js.gz"
    page_file style, "app.css.gz"
    page_file icon, "favicon.svg.gz"
    page_file licenses, "licenses.txt.gz"

    .section .note.GNU-stack, "", %progbits
