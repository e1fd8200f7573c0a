"""Makes DejaVuSans-subset.ttf: subset.py DejaVuSans.ttf DejaVuSans-subset.ttf"""
import sys
from fontTools import subset
from fontTools.ttLib import newTable
from fontTools.ttLib.tables._k_e_r_n import KernTable_format_0

RANGES = (
    "0020-007E 00A0-017F 0192-0192 0370-03FF 0400-045F 02C6-02DD 2010-2015 2018-201E 2020-2022 "
    "2026-2026 2030-2030 2032-2033 2039-203A 2044-2044 2070-208E 20AC-20AC 2122-2122 2190-2195 "
    "2212-2212 221E-221E 2248-2248 2260-2260 2264-2265 25A0-25A1 25B2-25B3 25BC-25BC 25CB-25CB "
    "25CF-25CF FFFD-FFFD"
)

options = subset.Options(hinting=False, notdef_outline=True, name_IDs=["*"], layout_features=[])
options.drop_tables += ["MATH", "GDEF", "GSUB", "GPOS", "gasp", "FFTM"]
font = subset.load_font(sys.argv[1], options)
subsetter = subset.Subsetter(options)
ends = [[int(end, 16) for end in part.split("-")] for part in RANGES.split()]
subsetter.populate(unicodes=[code for low, high in ends for code in range(low, high + 1)])
subsetter.subset(font)

# plotters draws each glyph with its ink, not its origin, at the pen. Kerning by the difference of
# the left bearings puts the ink of the most common characters where it belongs; widths stay the same.
cmap, metrics = font.getBestCmap(), font["hmtx"]
ink = {name: bool(font["glyf"][name].numberOfContours) for name in cmap.values()}
bearing = lambda name: metrics[name][1] if ink[name] else 0
common = [cmap[code] for code in [*range(0x20, 0x7F), *map(ord, "·µ×–…°")]]
table = KernTable_format_0()
table.version, table.coverage, table.apple = 0, 1, False
table.kernTable = {
    (a, b): bearing(b) - bearing(a) for a in common for b in common if bearing(a) != bearing(b)
}
font["kern"] = newTable("kern")
font["kern"].version, font["kern"].kernTables = 0, [table]
font.save(sys.argv[2])
