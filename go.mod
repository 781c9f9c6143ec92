module qedit

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/lima-vm/go-qcow2reader v0.6.0
	pgregory.net/rapid v1.3.0
)

require golang.org/x/sys v0.49.0
