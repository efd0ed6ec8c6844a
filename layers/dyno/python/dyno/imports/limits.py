"""How much of a file is read; more is refused, and the refusal names the number here."""

MAX_UNPACKED_BYTES = 64 * 2**20
"""Of a workbook unpacked, and of a CSV file; what one row takes in XML, 50,000 times, and its shared texts."""
MAX_STYLES_BYTES = 4 * 2**20
"""Of any part of a workbook that is neither a sheet nor its texts: openpyxl holds those whole, as trees."""
MAX_ENTRIES = 1_000
MAX_RATIO = 200
"""Of unpacked to packed, in parts above RATIO_FROM_BYTES. Sheets reach 30, rows of one value 100."""
RATIO_FROM_BYTES = 2**20
MAX_SHEETS = 50
MAX_ROWS = 50_000
"""With something in them, over all sheets."""
MAX_ROW_NUMBER = 200_000
"""The last row with something in it; what is in front of it is passed over one by one."""
MAX_ROWS_LISTED = 1_048_576
"""Of a sheet, whatever is in them; what a spreadsheet program can have."""
MAX_COLUMNS = 200
MAX_CELLS = 1_000_000
"""With something in them, over all sheets."""
MAX_CELLS_LISTED = 4_000_000
"""With those that have only a colour or a border."""
MAX_ELEMENTS_IN_ROW = 65_536
"""Of the XML of one row, which is held whole: four for each of the cells that a spreadsheet program can have in it."""
MAX_CELL_CHARACTERS = 32_767
"""What a spreadsheet program can have."""
MAX_TEXT_ELEMENTS = 2_000_000
"""Of the XML of a workbook's shared texts; one text is two of them."""
MAX_OTHER_ELEMENTS = 100_000
"""Of the XML of any part, its rows left out."""
MAX_DEPTH = 64
"""Of XML elements within each other; parts of workbooks have some ten."""
