// Borrowing weights from a checkpoint.
#include "model/stored_weight.hpp"

namespace causeway {

StoredWeight::StoredWeight(const TensorStore& store, const std::string& name,
                           const std::vector<std::int64_t>& shape)
    : store_(store), tensor_(store.at(name, shape)), data_(contiguous(tensor_)) {}

StoredWeight::~StoredWeight() { store_.release_pages(tensor_); }

ConstView StoredWeight::as(std::initializer_list<std::int64_t> shape) const {
  const ConstView view = const_view_of(data_.view.data, data_.view.type, shape);
  expects(view.size() == data_.view.size(),
          "a weight keeps its size when it is seen with another shape");
  return view;
}

}  // namespace causeway
