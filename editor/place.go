package editor

import (
	"encoding/json"
	"slices"

	"qedit/editor/store"
)

// findPlaces returns the folder of the image at path, and the one for bookmarks
// where that cannot be written, nil if it is the same.
func findPlaces(path string, image store.Image) (dir, spare store.Dir, moved bool) {
	dir, moved = choosePlace(store.Places(path, image), image)
	if spare = store.StatePlace(path); spare.String() == dir.String() {
		spare = nil
	}
	return dir, spare, moved
}

// choosePlace returns the folder of an image: the first of the places, unless
// another one has what an earlier session left of this image.
func choosePlace(places []store.Dir, image store.Image) (dir store.Dir, moved bool) {
	for i, p := range places {
		names, err := p.Names()
		if err == nil && len(names) == 0 {
			continue
		}
		if i == 0 || belongs(p, names, image) {
			return p, i > 0
		}
	}
	return places[0], false
}

// belongs reports whether one of the files of a folder is of the image: those
// that are still needed first, else the last save.
func belongs(dir store.Dir, names []string, image store.Image) bool {
	candidates := []string{journalName, journalRevert}
	for _, name := range names {
		if _, ok := historyNumber(name); !ok {
			candidates = append(candidates, name) // logs, bookmarks
		}
	}
	if saves := historyNames(names); len(saves) > 0 {
		candidates = append(candidates, saves[len(saves)-1])
	}
	for _, name := range candidates {
		if !slices.Contains(names, name) {
			continue
		}
		data, err := dir.Read(name, maxFile)
		if err != nil {
			continue
		}
		all, _ := records(journalKind, data)
		if len(all) == 0 {
			all, _ = records(logKind, data)
		}
		var head logHead
		if len(all) > 0 && json.Unmarshal(all[0], &head) == nil && head.Image.of(image) == nil {
			return true
		}
		if id, _, err := bookmarksImage(data); err == nil && id.of(image) == nil {
			return true
		}
	}
	return false
}
