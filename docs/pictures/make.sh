#!/bin/sh
# Makes the pictures in this folder anew, of the demo's own song.
#
#   docs/pictures/make.sh [FOLDER [RUN [WAVEFLOW]]]
#
# FOLDER is where they go, this one without it; RUN is the folder of a run of `waveflow demo`, which
# is run without it; WAVEFLOW is the command.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
run=${2:-}
waveflow=${3:-$here/../../.venv/bin/waveflow}

if [ -z "$run" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    "$waveflow" demo -o "$work" --json >/dev/null
    run=$(echo "$work"/*)
fi

render() {
    picture=$1
    shift
    "$waveflow" render "$@" -o "$out/$picture" >/dev/null
}

mkdir -p "$out"
for mix in "$run"/storage/mixed/*.wav; do
    render mix.svg "$mix" --title "The demo's mix" --scale normalised --height 200
done
for stem in drums.wav bass.wav chords.flac; do
    render "${stem%.*}.svg" "$run/stems/$stem" --width 600 --height 61 --no-axis
done
render channels.svg "$run/stems/chords.flac" --title "chords.flac · 일렉트릭 피아노" \
    --split-channels --height 260
render orange.png "$run/stems/drums.wav" --title "drums.wav" --colour orange \
    --background "#1b1f24" --height 160
