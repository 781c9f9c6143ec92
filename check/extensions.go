package check

import (
	"fmt"

	"qedit/header"
)

// extensions finds what is wrong with the header extensions beyond the rules of
// the header's tables.
func (c *run) extensions() {
	h := c.area.Header
	if h.Magic != header.Magic {
		return
	}
	format, bitmaps := false, -1
	for i, e := range h.Extensions {
		switch e.Type {
		case header.ExtensionBackingFormat:
			format = format || len(e.Data) > 0
		case header.ExtensionBitmaps:
			bitmaps = i
		}
		if len(e.Padding) > 0 {
			path := header.ExtensionPath(i)
			f := c.fieldFinding(kindExtensionPadding, path+".padding", fmt.Sprintf("% x", e.Padding), "zeros")
			f.Fixes = []Fix{c.setExtension(i, "zero", "zero the padding of "+path, "padding", fmt.Sprintf("%0*d", 2*len(e.Padding), 0))}
			c.add(f)
		}
	}
	causes := c.headerCauses()
	if h.BackingFile != "" && !format {
		f := c.fieldFinding(kindNoBackingFormat, header.PathBackingFile, "no backing_format extension", "the format of the backing file")
		f.Cause = causes.extensions
		f.Fixes = []Fix{addFormat("raw"), addFormat("qcow2")}
		c.add(f)
	}
	if format && h.BackingFileOffset == 0 {
		f := c.fieldFinding(kindFormatAlone, header.PathBackingFormat, "there is no backing file", "")
		f.Fixes = []Fix{asked("what the backing file's format was", setFields("remove", "remove the backing format", header.PathBackingFormat, ""))}
		c.add(f)
	}
	if bitmaps >= 0 && h.Version >= header.Three && h.AutoclearFeatures&header.AutoclearBitmaps == 0 {
		f := c.fieldFinding(kindBitmapsNotValid, header.ExtensionPath(bitmaps), "the bitmaps_valid flag is off", "on")
		f.Fixes = []Fix{removeBitmaps("remove")}
		if c.goodBitmaps() {
			f.Fixes = append(f.Fixes, asked("the warning: what was written without the bitmaps is missing in them, and in a backup made with them",
				setFields("trust", "set bitmaps_valid", "bitmaps_valid", "on")))
		}
		c.add(f)
	}
}
