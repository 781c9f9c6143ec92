// Package header reads, checks, writes and edits the header area of qcow2
// images: the header, its extensions and the backing file name, all of which
// lie in the first cluster. It knows bytes only: no file is opened here.
//
// [Read] is strict and [Write] validates; between them a valid header survives
// byte for byte, unknown fields, bits and extensions included. [Decode] takes
// any bytes at all: it returns what they say and every rule they break, with
// the place, the value, the rule and what QEMU does about it. A [Draft] changes
// fields by name and lays the area out anew where lengths change.
//
// What a field is called, where it lies and what it means is said once, in the
// field table ([Fields] and [ExtensionKinds]); the codec, the rules' texts, the
// command line and the screen are derived from it.
//
// The names are those of the specification, docs/interop/qcow2.rst of QEMU.
// Users of ocaml-qcow's Header module find its functions under the same names;
// s-expressions in its grammar are read by [ParseSexp] and written by
// [Header.Sexp] and [Header.String].
package header
