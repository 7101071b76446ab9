// A vector whose copies share their elements until one of them is changed.
#ifndef XLB_BASE_SHARED_VECTOR_H_
#define XLB_BASE_SHARED_VECTOR_H_

#include <atomic>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

namespace xlb {

// So a copy costs one reference, and two values of which one was copied from the other compare at once. Whatever may
// change the elements first makes them this vector's own: iterators and references that were got through a const one
// point to the old ones then. Copies may be used by different threads; one and the same vector as any other container.
template <typename T>
class SharedVector {
 public:
  using value_type = T;
  using iterator = typename std::vector<T>::iterator;
  using const_iterator = typename std::vector<T>::const_iterator;

  SharedVector() = default;
  SharedVector(std::initializer_list<T> elements) : SharedVector(std::vector<T>(elements)) {}
  SharedVector(std::vector<T> elements) {  // NOLINT(google-explicit-constructor): it is that vector
    if (!elements.empty()) elements_ = std::make_shared<std::vector<T>>(std::move(elements));
  }

  const std::vector<T>& get() const { return elements_ != nullptr ? *elements_ : Nothing(); }
  operator const std::vector<T>&() const { return get(); }  // NOLINT(google-explicit-constructor)
  size_t size() const { return get().size(); }
  bool empty() const { return get().empty(); }
  const_iterator begin() const { return get().begin(); }
  const_iterator end() const { return get().end(); }
  const T& front() const { return get().front(); }
  const T& back() const { return get().back(); }
  const T& operator[](size_t i) const { return get()[i]; }

  // The elements, this vector's own from now on.
  std::vector<T>& own() {
    if (elements_ == nullptr) {
      elements_ = std::make_shared<std::vector<T>>();
    } else if (elements_.use_count() != 1) {
      elements_ = std::make_shared<std::vector<T>>(*elements_);
    } else {
      std::atomic_thread_fence(std::memory_order_acquire);  // after the last look of whoever shared them
    }
    return *elements_;
  }
  iterator begin() { return own().begin(); }
  iterator end() { return own().end(); }
  T& front() { return own().front(); }
  T& back() { return own().back(); }
  T& operator[](size_t i) { return own()[i]; }
  void push_back(T element) { own().push_back(std::move(element)); }
  void pop_back() { own().pop_back(); }
  void clear() { elements_.reset(); }

  bool operator==(const SharedVector& other) const { return elements_ == other.elements_ || get() == other.get(); }

 private:
  static const std::vector<T>& Nothing() {
    static const auto* const nothing = new std::vector<T>();
    return *nothing;
  }

  std::shared_ptr<std::vector<T>> elements_;  // null: none
};

}  // namespace xlb

#endif  // XLB_BASE_SHARED_VECTOR_H_
