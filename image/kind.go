package image

// ClusterKind is what a host cluster is, with flags: ClusterShared,
// ClusterConflict, ClusterShort. Base is the kind without them.
type ClusterKind uint8

// The kinds of clusters. Where several owners disagree the kind is that of the
// one nearest to the header.
const (
	ClusterUnreferenced ClusterKind = iota
	ClusterHeader
	ClusterL1 // of the active tree
	ClusterL2 // of the active tree
	ClusterRefcountTable
	ClusterRefcountBlock
	ClusterSnapshotTable
	ClusterSnapshotL1
	ClusterSnapshotL2 // of snapshots only
	ClusterBitmapDirectory
	ClusterBitmapTable
	ClusterBitmapData
	ClusterLUKS               // LUKS header and key material
	ClusterData               // of the active tree
	ClusterCompressed         // compressed data, of the active tree
	ClusterSnapshotData       // of snapshots only
	ClusterSnapshotCompressed // of snapshots only

	// ClusterKinds is the number of kinds.
	ClusterKinds = int(ClusterSnapshotCompressed) + 1
)

// Flags of clusters.
const (
	// ClusterShared: several owners have it as they may: the active tree and a
	// snapshot, or two snapshots. Compressed data of one tree in one cluster is
	// as usual, and not flagged.
	ClusterShared ClusterKind = 0x40
	// ClusterConflict: two owners have it in different roles, or in a role that
	// has one owner only; data: two clusters of the active disk. Two clusters
	// of one snapshot are not told from those of two, and are flagged as shared.
	ClusterConflict ClusterKind = 0x80
	// ClusterShort: the file ends within it.
	ClusterShort ClusterKind = 0x20

	clusterSeen ClusterKind = 0x20 // of a scan under way: an L2 table that is to be read
	clusterBase ClusterKind = 0x1f
)

// Base returns the kind without flags.
func (k ClusterKind) Base() ClusterKind { return k & clusterBase }

// Shared reports whether several owners have the cluster as they may.
func (k ClusterKind) Shared() bool { return k&ClusterShared != 0 }

// Conflict reports whether the owners of the cluster exclude each other.
func (k ClusterKind) Conflict() bool { return k&ClusterConflict != 0 }

// Short reports whether the file ends within the cluster.
func (k ClusterKind) Short() bool { return k&ClusterShort != 0 }

var kindTexts = [ClusterKinds]struct {
	name   string
	letter byte
}{
	ClusterUnreferenced:       {"unreferenced", '.'},
	ClusterHeader:             {"header", 'H'},
	ClusterL1:                 {"L1 table", '1'},
	ClusterL2:                 {"L2 table", '2'},
	ClusterRefcountTable:      {"refcount table", 'R'},
	ClusterRefcountBlock:      {"refcount block", 'r'},
	ClusterSnapshotTable:      {"snapshot table", 'S'},
	ClusterSnapshotL1:         {"L1 table of a snapshot", 'i'},
	ClusterSnapshotL2:         {"L2 table of snapshots", 'z'},
	ClusterBitmapDirectory:    {"bitmap directory", 'B'},
	ClusterBitmapTable:        {"bitmap table", 'b'},
	ClusterBitmapData:         {"bitmap", 'm'},
	ClusterLUKS:               {"LUKS header", 'K'},
	ClusterData:               {"data", 'd'},
	ClusterCompressed:         {"compressed data", 'c'},
	ClusterSnapshotData:       {"data of snapshots", 's'},
	ClusterSnapshotCompressed: {"compressed data of snapshots", 'p'},
}

// String returns the name of the kind, and its flags.
func (k ClusterKind) String() string {
	text := "unknown"
	if b := int(k.Base()); b < ClusterKinds {
		text = kindTexts[b].name
	}
	if k.Shared() {
		text += ", shared"
	}
	if k.Conflict() {
		text += ", owners in conflict"
	}
	if k.Short() {
		text += ", cut off by the end of the file"
	}
	return text
}

// Letter returns the letter of the cluster in a map. Each kind has its own;
// owners in conflict are '!', data that is shared is 'D' and 'C' for the active
// tree, '*' and '%' for snapshots, L2 tables that are shared '&' and '+'.
func (k ClusterKind) Letter() byte {
	b := k.Base()
	switch {
	case k.Conflict():
		return '!'
	case int(b) >= ClusterKinds:
		return '?'
	case k.Shared():
		switch b {
		case ClusterData:
			return 'D'
		case ClusterCompressed:
			return 'C'
		case ClusterSnapshotData:
			return '*'
		case ClusterSnapshotCompressed:
			return '%'
		case ClusterL2:
			return '&'
		case ClusterSnapshotL2:
			return '+'
		}
	}
	return kindTexts[b].letter
}

// joined returns the kind of a cluster that gets one more owner, which has it
// as own, and whether the owners may share it. In which order owners of data
// come does not matter.
func (k ClusterKind) joined(own ClusterKind) (ClusterKind, bool) {
	a, b := k.Base(), own.Base()
	flags := (k | own) &^ clusterBase
	pair := func(active, snapshot ClusterKind) bool {
		return (a == active || a == snapshot) && (b == active || b == snapshot)
	}
	switch {
	case a == ClusterUnreferenced:
		return own | k&^clusterBase, true
	case pair(ClusterCompressed, ClusterSnapshotCompressed):
		if a != b {
			flags |= ClusterShared
		}
		return min(a, b) | flags, true
	case pair(ClusterData, ClusterSnapshotData), pair(ClusterL2, ClusterSnapshotL2):
		if a == b && (a == ClusterData || a == ClusterL2) {
			return a | flags | ClusterConflict, false
		}
		return min(a, b) | flags | ClusterShared, true
	case a >= ClusterData && b >= ClusterData:
		return min(a, b) | flags | ClusterConflict, false
	}
	return k | ClusterConflict, false
}

// joins returns joined for every kind, for one owner.
func joins(own ClusterKind) *[256]ClusterKind {
	var t [256]ClusterKind
	for k := range t {
		t[k], _ = ClusterKind(k).joined(own)
	}
	return &t
}
