package check

import (
	"errors"
	"fmt"
	"slices"

	"qedit/header"
	"qedit/image"
)

// setFields returns the fix that sets fields of the header area, given as pairs
// of path and text as Draft.Set takes them.
func setFields(name, title string, pairs ...string) Fix {
	return Fix{Name: name, Title: title, mend: func(m *mender) error {
		return m.draft(func(d *header.Draft) error { return setAll(d, pairs...) })
	}}
}

func setAll(d *header.Draft, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := d.Set(pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

var errNoExtension = errors.New("the header extension is not as it was any more: check again")

// extensionNow returns the number of extension i, which was e, after the fixes
// before: these may have removed others, and changed its data.
func extensionNow(d *header.Draft, e header.Extension, i int) (int, error) {
	all := d.Area().Header.Extensions
	if i < len(all) && same(all[i], e) {
		return i, nil
	}
	found, n := -1, 0
	for j, x := range all {
		if same(x, e) {
			return j, nil
		}
		if x.Type == e.Type {
			found = j
			n++
		}
	}
	if n != 1 {
		return 0, errNoExtension
	}
	return found, nil
}

// setExtension returns the fix that sets fields of extension i, given as pairs of
// the name and text.
func (c *run) setExtension(i int, name, title string, pairs ...string) Fix {
	e := c.area.Header.Extensions[i]
	return Fix{Name: name, Title: title, mend: func(m *mender) error {
		return m.draft(func(d *header.Draft) error {
			now, err := extensionNow(d, e, i)
			if err != nil {
				return err
			}
			return setAll(d, under(header.ExtensionPath(now), pairs)...)
		})
	}}
}

// setEnd returns the fix that sets fields of what follows the last extension.
func setEnd(name, title string, pairs ...string) Fix {
	return Fix{Name: name, Title: title, mend: func(m *mender) error {
		return m.draft(func(d *header.Draft) error {
			return setAll(d, under(header.ExtensionPath(len(d.Area().Header.Extensions)), pairs)...)
		})
	}}
}

// under puts the path of a structure before the names of its fields.
func under(path string, pairs []string) []string {
	all := slices.Clone(pairs)
	for i := 0; i < len(all); i += 2 {
		all[i] = path + "." + all[i]
	}
	return all
}

// asked makes a fix one that is only taken where a person asks for it.
func asked(loses string, f Fix) Fix {
	f.Choice, f.Loses = true, loses
	return f
}

// zeroBytes returns the fix that zeroes bytes that nothing reads.
func zeroBytes(what string, at header.HostOffset, n int) Fix {
	return Fix{
		Name: "zero", Title: "zero " + what, Choice: true, Loses: "what is stored there, which may be a trace of something",
		mend: func(m *mender) error { return m.write(at, make([]byte, n)) },
	}
}

// upgradeToV3 makes the header of a version 2 image one of version 3. Every
// other structure stays as it is.
func upgradeToV3(m *mender) error {
	return m.draft(func(d *header.Draft) error { return d.Set("version", "3") })
}

// addFormat returns the fix that says which format the backing file has.
func addFormat(format string) Fix {
	return asked("", setFields(format, "say that the backing file is "+format, header.PathBackingFormat, format))
}

// ruleFixes returns the fixes for a rule that the header breaks.
func (c *run) ruleFixes(v header.Violation) []Fix {
	h := c.area.Header
	switch v.Rule {
	case "magic.value":
		return []Fix{asked("", setFields("set", "say that this is a qcow2 image", "magic", fmt.Sprintf("0x%x", uint32(header.Magic))))}
	case "backing_file_offset.raw_external", "autoclear_features.raw_external":
		f := setFields("clear", "clear raw_external_data", "raw_external_data", "off")
		if h.ExternalData() {
			f = asked("that the data file may be read as a raw image", f)
		}
		return []Fix{f}
	case "size.sectors":
		return c.sectorFixes()
	case "l1_size.min", "l1_size.max":
		return c.l1SizeFixes()
	case "refcount_table_clusters.min", "refcount_table_clusters.max":
		return c.refcountTableFixes()
	case "nb_snapshots.max":
		return []Fix{c.dropSnapshotsFrom(image.MaxSnapshots)}
	case "snapshots_offset.aligned", "snapshots_offset.range":
		if h.NbSnapshots == 0 {
			return []Fix{setFields("zero", "set snapshots_offset to 0, as there are no snapshots", "snapshots_offset", "0")}
		}
	case "incompatible_features.known":
		unknown, _, _ := h.UnknownFeatures()
		return []Fix{asked("what the features stand for: the image may be read wrong without them",
			setFields("clear", "clear the unknown incompatible bits", "incompatible_features", fmt.Sprintf("0x%x", h.IncompatibleFeatures&^unknown)))}
	case "incompatible_features.compression_type":
		return compressionFixes(h)
	case "compression_type.known":
		return []Fix{
			asked("", setFields("zlib", "set compression_type to zlib", "compression_type", "zlib")),
			asked("", setFields("zstd", "set compression_type to zstd", "compression_type", "zstd")),
		}
	case "autoclear_features.bitmaps":
		return []Fix{setFields("clear", "clear bitmaps_valid", "bitmaps_valid", "off")}
	case "refcount_order.max":
		return []Fix{asked("", setFields("16-bits", "say that refcounts have 16 bits, as in most images", "refcount_order", "4"))}
	case "header_length.min", "header_length.max", "header_length.aligned":
		if n, ok := c.area.LengthOfHeader(); ok {
			return []Fix{setFields("set", fmt.Sprintf("set header_length to %d, with which the extensions can be read", n), "header_length", fmt.Sprint(n))}
		}
	case "padding.zero":
		stored := min(max(int(h.HeaderLength), 105), 112) - 105
		return []Fix{setFields("zero", "zero the padding", "padding", fmt.Sprintf("%0*d", 2*stored, 0))}
	}
	return c.extensionFixes(v)
}

// extensionFixes returns the fixes for a rule that an extension breaks.
func (c *run) extensionFixes(v header.Violation) []Fix {
	i, ok := header.ExtensionIndex(v.Field)
	if !ok {
		return nil
	}
	switch v.Rule {
	case "extensions.end_length":
		return []Fix{setEnd("zero", "set the length of the end marker to 0", "length", "0")}
	case "extensions.end":
		return []Fix{asked("the extension, and those that may follow it: backing format, bitmaps, encryption header, data file",
			setEnd("end", "end the extensions at "+header.ExtensionPath(i), "type", "0", "length", "0"))}
	case "extension.duplicate":
		return c.duplicateFixes(i)
	case "backing_format.max":
		return []Fix{addFormat("raw"), addFormat("qcow2")}
	case "feature_names.type", "feature_names.bit", "feature_names.length":
		return []Fix{{Name: "drop", Title: "drop the feature names that name no bit", mend: func(m *mender) error { return m.draft((*header.Draft).DropFeatureNames) }}}
	case "bitmaps.min":
		return c.countFixes()
	case "bitmaps.reserved":
		return []Fix{c.setExtension(i, "zero", "zero the reserved field", "reserved", "0")}
	case "bitmaps.directory_min", "bitmaps.directory_max":
		return append(c.directorySizeFix(), removeBitmaps("remove"))
	case "bitmaps.max", "bitmaps.directory_aligned", "bitmaps.directory_range", "bitmaps.length", "bitmaps.version":
		return []Fix{removeBitmaps("remove")}
	case "luks.crypt_method":
		return []Fix{
			asked("", setFields("luks", "set crypt_method to luks", "crypt_method", "luks")),
			asked("where the encryption keys are", removeExtension(c.area.Header.Extensions[i], "remove", "remove the LUKS pointer")),
		}
	case "data_file.bit":
		return []Fix{
			asked("the name of the data file", removeExtension(c.area.Header.Extensions[i], "remove", "remove the name of the data file, as QEMU does")),
			asked("", setFields("set", "say that guest data lies in the data file", "external_data_file", "on")),
		}
	}
	return nil
}

// removeExtension returns the fix that removes the first extension that is the
// same as e.
func removeExtension(e header.Extension, name, title string) Fix {
	return Fix{Name: name, Title: title, mend: func(m *mender) error {
		return m.draft(func(d *header.Draft) error {
			for i, x := range d.Area().Header.Extensions {
				if same(x, e) {
					return d.DeleteExtension(i)
				}
			}
			return nil // an earlier fix removed it
		})
	}}
}

func same(a, b header.Extension) bool { return a.Type == b.Type && string(a.Data) == string(b.Data) }

// duplicateFixes returns the fixes for extension i, which is not the first of
// its type.
func (c *run) duplicateFixes(i int) []Fix {
	all := c.area.Header.Extensions
	e := all[i]
	first := i
	for j := i - 1; j >= 0; j-- {
		if all[j].Type == e.Type {
			first = j
		}
	}
	if same(all[first], e) {
		return []Fix{removeExtension(e, "remove", fmt.Sprintf("remove the first of two equal extensions %v", e.Type))}
	}
	return []Fix{
		asked("what the first one says", removeExtension(all[first], "keep-last", fmt.Sprintf("remove the first extension %v; QEMU takes the last", e.Type))),
		asked("what the last one says", removeExtension(e, "keep-first", fmt.Sprintf("remove %s, an extension %v", header.ExtensionPath(i), e.Type))),
	}
}

// compressionFixes returns the ways to make compression_type and its bit agree.
func compressionFixes(h *header.Header) []Fix {
	zlib := setFields("zlib", "say that clusters are compressed with zlib", "compression_type_set", "off")
	if h.CompressionType != header.Deflate {
		zlib = setFields("zlib", "say that clusters are compressed with zlib", "compression_type", "zlib")
	}
	return []Fix{
		asked("", zlib),
		asked("", setFields("zstd", "say that clusters are compressed with zstd", "compression_type", "zstd")),
	}
}

// sectorFixes returns the ways to make the size a multiple of 512.
func (c *run) sectorFixes() []Fix {
	size := c.area.Header.Size
	down := size &^ 511
	fixes := []Fix{asked(fmt.Sprintf("the last %d bytes of the disk, which the guest does not see", size-down),
		setFields("round-down", fmt.Sprintf("set size to %d, as QEMU reads it", down), "size", fmt.Sprint(down)))}
	up := down + 512
	if up > down { // in the last cluster there is room
		fixes = append(fixes, asked("", setFields("round-up", fmt.Sprintf("set size to %d", up), "size", fmt.Sprint(up))))
	}
	return fixes
}
