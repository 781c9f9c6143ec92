package image

import (
	"path/filepath"

	"qedit/header"
)

// NamedFiles returns the paths at which the files may lie that an image names, its
// backing file and its external data file. None is opened, or looked for.
func NamedFiles(h *header.Header, path string) []string {
	var all []string
	add := func(name string) {
		if name == "" {
			return
		}
		all = append(all, name) // QEMU takes that of a data file from the working folder
		if !filepath.IsAbs(name) {
			all = append(all, filepath.Join(filepath.Dir(path), name))
		}
	}
	add(h.BackingFile)
	if name, ok := h.DataFile(); ok {
		add(name)
	}
	return all
}
