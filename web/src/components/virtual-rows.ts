import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type VirtualItem,
  Virtualizer,
} from '@tanstack/virtual-core'
import type { RefObject } from 'preact'
import { useEffect, useLayoutEffect, useReducer, useState } from 'preact/hooks'

interface Options {
  readonly count: number
  readonly scroller: RefObject<HTMLElement | null>
  /** Of a row that was not measured. */
  readonly rowPx: number
  /** Rows are of different heights: each is given `rowRef`. */
  readonly isMeasured: boolean
}

export interface VirtualRows {
  readonly items: readonly VirtualItem[]
  readonly heightPx: number
  /** To be set, with `data-index`, on rows that are measured. */
  readonly rowRef: (element: Element | null) => void
  scrollTo(index: number, align: 'auto' | 'start' | 'center' | 'end'): void
}

/** Rows of a list that are in sight, and a few beside them. */
export function useVirtualRows({ count, scroller, rowPx, isMeasured }: Options): VirtualRows {
  const [, render] = useReducer((turn: number) => turn + 1, 0)
  const options = {
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    overscan: 12,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => render(undefined),
  }
  const [virtualizer] = useState(() => new Virtualizer<HTMLElement, Element>(options))
  virtualizer.setOptions(options)
  useEffect(() => virtualizer._didMount(), [virtualizer])
  useLayoutEffect(() => virtualizer._willUpdate())
  // Heights of another mode are no heights of this one.
  useLayoutEffect(() => virtualizer.measure(), [virtualizer, rowPx, isMeasured])
  return {
    items: virtualizer.getVirtualItems(),
    heightPx: virtualizer.getTotalSize(),
    rowRef: (element) => {
      if (isMeasured) virtualizer.measureElement(element)
    },
    scrollTo: (index, align) => virtualizer.scrollToIndex(index, { align }),
  }
}
